"""Where work is done: here, in threads, on a Dask cluster."""
