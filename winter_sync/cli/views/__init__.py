"""What commands print: tables, sentences, reports, JSON."""
