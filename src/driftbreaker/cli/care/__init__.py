"""What keeps the breakers well: the doctor, the tables, and the settings of the command line."""
