"""Training runs: started, watched, cancelled, resumed; and what is done by itself."""
