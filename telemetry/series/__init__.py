"""Running totals of metric series: label sets once, numbers in columns, a cap and an expiry."""
