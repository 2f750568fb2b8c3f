"""What stands between this plugin and other packages that a shop may have; each is imported only if it is named."""
