"""What a build is: the tables, their columns, the views. The other rooms share it; it knows none."""

__version__ = "0.1.0"
