"""Pages: single HTML files without scripts that load nothing, for the screen and for paper."""

from __future__ import annotations

import jinja2


def render(template: str, package: str = "stimloop", **values: object) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        Name of a file in the package's ``templates``; it may extend ``page.html``.
    package : str
        Whose it is.
    **values
        What it shows, escaped unless it is `markupsafe.Markup`.
    """
    packages = dict.fromkeys((package, "stimloop"))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in packages]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values)
