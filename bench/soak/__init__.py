"""The fault suite for hours, beside a service that is never stopped and whose memory is watched."""
