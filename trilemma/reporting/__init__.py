"""Reports: tables and figures of a comparison, and the page that a notebook makes of them."""
