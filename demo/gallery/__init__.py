"""The figures of see-rnn's README, made anew in the RNN tab."""
