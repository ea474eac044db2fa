"""What a request asks for, named without explosion: documents, rules, learned templates."""
