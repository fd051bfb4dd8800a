"""The page that explains why a CE got a number of pilots or none, and its parts."""
