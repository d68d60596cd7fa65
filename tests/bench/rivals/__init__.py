"""The same work without imagelake, as one would write it: each file is a script of its own.

Each is called with a folder to write Parquet into and the regions to read, and finds endpoint and
credentials in the environment.
"""
