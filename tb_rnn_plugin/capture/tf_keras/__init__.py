"""tf_keras (Keras 2), eagerly and in TensorFlow 1's graph mode."""
