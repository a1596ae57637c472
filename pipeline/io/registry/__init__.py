"""What is in service, since when and why: the ledger, and the models MLflow keeps."""
