"""See what happens inside a recurrent network while it trains, in TensorBoard's RNN tab."""

__version__ = "0.1.0"
