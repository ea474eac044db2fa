"""The configuration that makes a mesh report to us, one file per kind of mesh."""
