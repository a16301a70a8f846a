"""What schemathesis cannot make of the document by itself."""

import schemathesis


@schemathesis.serializer("application/wasm")
def module(_context, value):
    """A module is bytes: whatever is generated for one is sent as it is."""
    return value if isinstance(value, bytes) else str(value).encode()
