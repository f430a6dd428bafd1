"""The look of the HTML pages: templates that share a frame (page.html) and tables (grid.html)."""

import jinja2

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("ugosa_jax.reports.pages", ""),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def fill(template: str, **values) -> str:
    """Return a page: a template of this folder with its values, which are escaped unless they are marked safe."""
    return _ENVIRONMENT.get_template(template).render(**values)
