"""The numbers of the light summaries: sums, histograms, norms. Pure functions on arrays."""
