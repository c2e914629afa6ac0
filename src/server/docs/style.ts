/** How the page of a server's methods looks: light or dark, as its reader's system says. */
export const docsStyle = String.raw`
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f4f6f8; --line: #c5ccd3; --border: #6f7983; --text: #1a1d21; --quiet: #4d555e;
  --link: #0b5cad; --wrong: #a4262c; --right: #17693a; --focus: #b25000;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --raised: #1e2327; --line: #3a4249; --border: #88929c; --text: #e8eaec; --quiet: #b0b7be;
    --link: #7db8f5; --wrong: #ff9b93; --right: #7fd6a0; --focus: #ffb366;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .5rem; z-index: 1; }
header, .columns { max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem; }
header { padding-bottom: 0; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere; }
h3, h4, p { font-size: 1rem; margin: 0; }
h4 { margin-top: 1rem; }
.columns { display: grid; grid-template-columns: 16rem minmax(0, 1fr); gap: 2rem; align-items: start; }
nav { position: sticky; top: 0; max-height: 100vh; overflow: auto; padding: 1.6rem .25rem 1rem; }
nav ul { list-style: none; margin: .25rem 0 1rem; padding: 0; }
nav li a { display: block; padding: .15rem .25rem; text-decoration: none; overflow-wrap: anywhere; }
nav li a:hover { text-decoration: underline; }
nav strong { overflow-wrap: anywhere; }
@media (max-width: 52rem) {
  .columns { grid-template-columns: minmax(0, 1fr); gap: 0; }
  nav { position: static; max-height: none; padding: 0; }
  nav .services { display: none; }
}
.method { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; background: var(--ground); }
.method > summary { padding: .6rem .8rem; cursor: pointer; background: var(--raised); border-radius: .4rem; }
.method > summary h3 { display: inline; font-weight: 600; overflow-wrap: anywhere; }
.method > summary .name { color: var(--quiet); font-weight: 400; margin-left: .5rem; }
.verb { display: inline-block; min-width: 4.2rem; padding: .05rem .4rem; margin-right: .5rem; border-radius: .25rem;
  color: #ffffff; background: #454d55; font: 700 .8rem/1.6 ui-monospace, monospace; text-align: center; }
.verb.get { background: #0b5cad; } .verb.post { background: #17693a; } .verb.put { background: #8a4b00; }
.verb.delete { background: #a4262c; } .verb.patch { background: #6b3fa0; }
form { padding: .8rem; }
.about { white-space: pre-line; margin-bottom: .5rem; }
fieldset { border: 1px solid var(--line); border-radius: .3rem; margin: .6rem 0; min-width: 0;
  padding: .4rem .8rem .8rem; }
legend { font-weight: 600; padding: 0 .3rem; }
.field { margin-top: .6rem; }
.field label { font-weight: 600; }
.hint { color: var(--quiet); font-size: .875rem; overflow-wrap: anywhere; }
label + .hint { margin-left: .5rem; }
.hint p { font-size: inherit; }
input, select, textarea { width: 100%; max-width: 44rem; padding: .4rem .5rem; font: inherit; color: var(--text);
  background: var(--ground); border: 1px solid var(--border); border-radius: .3rem; }
::placeholder { color: var(--quiet); opacity: 1; font-style: italic; }
input[type=checkbox] { width: auto; margin-right: .4rem; }
textarea { font: .9rem/1.45 ui-monospace, monospace; resize: vertical; }
[aria-invalid=true] { border-color: var(--wrong); border-width: 2px; }
.wrong { color: var(--wrong); } .right { color: var(--right); }
button { font: inherit; font-weight: 600; padding: .4rem 1.1rem; margin: .4rem .5rem .4rem 0; border-radius: .3rem;
  border: 1px solid var(--link); background: var(--ground); color: var(--link); cursor: pointer; }
button[type=submit] { background: #0b5cad; border-color: #0b5cad; color: #ffffff; }
button[disabled] { cursor: default; border-color: var(--line); color: var(--quiet); background: var(--raised); }
.status { font-weight: 600; min-height: 1.5rem; }
pre { margin: .3rem 0; padding: .6rem .8rem; max-height: 28rem; overflow: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--raised); border: 1px solid var(--line); border-radius: .3rem;
  font: .875rem/1.45 ui-monospace, monospace; }
ol.messages { margin: .3rem 0; padding: 0; list-style: none; max-height: 32rem; overflow: auto; }
ol.messages li { margin: .3rem 0; }
form details summary { cursor: pointer; margin-top: .6rem; font-weight: 600; }
[hidden] { display: none !important; }
`;
