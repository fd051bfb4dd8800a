"""Where the demand of a VO comes from: an HTTP endpoint, a command, a query, or an extension."""
