"""Small shops that differ from the demo in what a mapping must bear: keys, user models, where the columns lie."""
