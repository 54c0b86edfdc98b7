"""The frame of a report's page: colours for light and dark, and a form that fits a phone of 400 pixels."""

from string import Template

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<link rel="icon" href="data:,"/>
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1a1a1a; --page: #fff; --soft: #595959; --line: #d0d0d0; --shade: #f4f4f4;
  --yes: #00694d; --no: #a34700; --same: #1f5fa8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --page: #16181c; --soft: #a8a8a8; --line: #3d4046; --shade: #212429;
    --yes: #4cc9a4; --no: #ff9a4d; --same: #7db8f0; }
}
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .5rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; } .lead { font-size: 1.15rem; }
a { color: var(--same); } figcaption a { white-space: nowrap; margin-left: .4rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .88rem; padding: .6rem 0;
  border-block: 1px solid var(--line); }
nav a { text-decoration: none; }
.facts { font-size: .85rem; color: var(--soft); margin-bottom: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .85rem; color: var(--soft); }
dt { font-weight: 600; } dd { margin: 0; }
.answer { border-left: .3rem solid var(--soft); padding: .5rem .9rem; background: var(--shade); margin: .6rem 0; }
.answer p { margin: 0; font-size: 1.05rem; } .answer span { display: block; color: var(--soft); font-size: .9rem; }
.answer details { font-size: .9rem; color: var(--soft); margin-top: .2rem; }
.yes { border-color: var(--yes); } .yes strong { color: var(--yes); }
.no { border-color: var(--no); } .no strong { color: var(--no); }
.same { border-color: var(--same); } .same strong { color: var(--same); }
details > summary { cursor: pointer; } body > details { border-bottom: 1px solid var(--line); }
summary h2 { display: inline-block; margin: .7rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 29rem), 1fr)); gap: 0 1.5rem; }
.figures .wide { grid-column: 1 / -1; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
figcaption { color: var(--soft); font-size: .85rem; padding-top: .4rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; } tbody th { font-weight: 600; }
figure { margin: 1rem 0 1.5rem; min-width: 0; }
svg { display: block; width: 100%; height: auto; font-family: system-ui, sans-serif; }
pre { background: var(--shade); padding: .8rem; white-space: pre-wrap; font-size: .85rem; }
@media (min-width: 40.01rem) {
  body { display: flex; flex-direction: column; } header { order: -2; } nav { order: -1; }
}
@media (max-width: 40rem) {
  body { padding-top: .6rem; } h1 { font-size: 1.35rem; margin: .3rem 0; } h2 { margin-top: 1.4rem; }
  header p { margin: .4rem 0; } section:first-of-type h2 { margin: .6rem 0; }
  .wide > div { overflow-x: auto; } .wide svg { min-width: 36rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .3rem; }
  .table { overflow: visible; } thead { display: none; } table, tbody { display: block; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
  th, td { display: block; padding: 0; border: 0; }
  td { display: grid; grid-template-columns: 9rem 1fr; gap: .6rem; }
  td::before { content: attr(data-head); color: var(--soft); }
}
@media print {
  :root { --ink: #000; --page: #fff; --soft: #444; --line: #999; --shade: #fff; --yes: #00694d; --no: #a34700;
    --same: #1f5fa8; color-scheme: light; }
  body { max-width: none; padding: 0; } .table { overflow: visible; } table { font-size: .68rem; }
  nav, figcaption a { display: none; } h2 { break-after: avoid; } figure, tr, .answer { break-inside: avoid; }
}
</style>
</head>
<body>
$body
</body>
</html>
""")
