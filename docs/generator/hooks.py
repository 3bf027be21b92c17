"""What mkdocs calls while it builds the site (`hooks` in mkdocs.yml; `make docs`)."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.generator import examples
from docs.generator.formulas import FONT, with_mathml
from docs.generator.links import Site, rewritten
from docs.generator.markers import filled
from docs.generator.pages import BROUGHT_IN, FOLDERS, decisions, records, search_boost

ROOT = Path(__file__).resolve().parents[2]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation: where it names a folder of records, all of them are listed."""
    for entry in config.nav or ():
        for title, target in entry.items():
            if target in FOLDERS:
                first = "index.md" if target == "decisions/" else "README.md"
                entry[title] = [f"{target}{first}", *(f"{target}{path.name}" for path in records(target))]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Bring in the pages that live beside what they describe, and the contents of the decisions."""
    for uri, origin in BROUGHT_IN.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / origin)))
    files.append(File.generated(config, "assets/math.ttf", abs_src_path=str(FONT)))
    files.append(File.generated(config, "decisions/index.md", content=decisions()))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Fill in what is made from the code, then turn links into the repository into links within the site."""
    uri = page.file.src_uri
    site = Site(ROOT, frozenset(files.src_uris))
    page.meta.setdefault("search", {"boost": search_boost(uri)})
    if uri == examples.PAGE:
        markdown = f"{markdown}\n{examples.markdown()}"
    try:
        return rewritten(filled(markdown), uri, site)
    except (LookupError, ValueError) as error:
        raise PluginError(f"{uri}: {error}") from error


def on_page_content(html: str, **_: object) -> str:
    """Turn formulas into MathML, which browsers draw without a script."""
    return with_mathml(html)
