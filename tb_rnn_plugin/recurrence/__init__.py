"""A recurrent layer computed anew in numpy, and back through time: states, gates and gradients that no tap can see."""
