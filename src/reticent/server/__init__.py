"""Keys and certificates, enrolment, gateway, SuperLink launcher."""
