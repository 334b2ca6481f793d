"""What is printed: progress, tables, exit codes."""
