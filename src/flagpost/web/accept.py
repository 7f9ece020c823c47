"""What a client would rather have, by its Accept header (RFC 9110, section 12.5.1)."""


def weight(accept: str, media_type: str) -> float:
    """The weight, from 0 to 1, that an Accept header gives to a media type; the most specific range decides.

    An empty header accepts everything alike.
    """
    ranges = dict(_range(one) for one in (accept or "*/*").split(","))
    candidates = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((ranges[one] for one in candidates if one in ranges), 0.0)


def _range(text: str) -> tuple[str, float]:
    """``text/html;q=0.8`` as the range and its weight; a weight that is no number counts as 0."""
    name, *parameters = [part.strip().lower() for part in text.split(";")]
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0
