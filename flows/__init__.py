"""The pipeline that joins the rooms, as a plain function, a Prefect flow and a command."""
