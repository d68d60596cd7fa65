"""Storage: the lake of Parquet files, its commits, and the warehouse of views."""
