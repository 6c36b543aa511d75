"""A healthy net beside a sick one in the RNN tab, for each page of docs/diagnostics."""
