"""What TensorBoard asks of us: read through its data provider, laid out, and answered over HTTP."""
