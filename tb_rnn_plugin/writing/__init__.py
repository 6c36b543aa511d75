"""Records on their way into event files: our own, or those of the user's writers."""
