"""How the tool speaks to a running stack, whatever it runs on."""
