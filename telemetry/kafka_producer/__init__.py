"""What it takes to produce to Kafka: options, a producer that is built anew when it has failed, a schema registry."""
