"""How the published grocery data become this shop's catalogue and history."""
