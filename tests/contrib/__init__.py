"""What stands between the plugin and other packages."""
