"""The command `ugosa-jax studio`: a local page to annotate, adapt and listen."""

from ugosa_jax.cli import options
from ugosa_jax.errors import require_extra


def studio(args: options.Studio) -> int:
    """Serve the page until interrupted; return 0.

    Raises:
      InputError: a package is missing, the song cannot be used, the folder not be written, or the port not be had.
    """
    with require_extra("studio"):
        from ugosa_jax.studio import server
    return server.run_server(
        args.song, args.work or server.find_default_folder(), args.host, args.port, args.demo, args.browser
    )
