"""How contenders are compared: in turns, with their spread, beside what the machine had to do."""
