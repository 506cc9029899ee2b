"""What people look at: tables, verdicts, figures and the HTML report, rebuilt from the files."""
