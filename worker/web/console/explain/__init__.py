"""Why a CE got so many pilots, or none: the page, and what it is made of."""
