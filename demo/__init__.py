"""Trains recurrent nets on a task with a long-range dependency, and shows them in TensorBoard's RNN tab."""
