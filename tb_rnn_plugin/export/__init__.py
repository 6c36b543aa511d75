"""`python -m tb_rnn_plugin export`: a figure of the RNN tab, or the arrays behind it, as a file."""
