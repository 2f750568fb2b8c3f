"""Model versions: what each is worth, promote, roll back, shadow."""
