// Makes node_modules match package-lock.json and proves a new enough Node will run what follows.
// Plain JavaScript that any Node from 20 on can run: it stands before every other script, which are
// TypeScript and need the Node that this installs. Prints nothing when there is nothing to do.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const nodeNeeded = "22.18.0";

if (!installedMatchesLock() || !atLeast(nextNode(), nodeNeeded)) {
  install();
  requireNode();
}

/** npm records what it installed in node_modules/.package-lock.json, as its last step. */
function installedMatchesLock() {
  const wanted = readPackages(join(root, "package-lock.json"));
  const found = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (!wanted || !found) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    // An optional package may be for another operating system; npm leaves it out.
    if (!found[path]) return entry.optional === true || entry.devOptional === true;
    return found[path].version === entry.version && found[path].integrity === entry.integrity;
  });
}

function readPackages(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function install() {
  process.stderr.write("meridian: installing dependencies (npm ci), once\n");
  // Under npm, npm_execpath is the very npm that is running; output goes to stderr since
  // standard output belongs to the command that follows.
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm, "ci"]] : ["npm", ["ci"]];
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  process.stderr.write(`meridian: npm ci failed${error ? `: ${error.message}` : ""}\n`);
  process.exit(1);
}

/** The version the next script gets: npm scripts find node_modules/.bin first. */
function nextNode() {
  const pinned = join(root, "node_modules", ".bin", "node");
  if (!existsSync(pinned)) return process.version.slice(1);
  const { stdout } = spawnSync(pinned, ["--version"], { encoding: "utf8" });
  return stdout?.trim().slice(1) || process.version.slice(1);
}

function requireNode() {
  const version = nextNode();
  if (atLeast(version, nodeNeeded)) return;
  process.stderr.write(
    `meridian: needs Node ${nodeNeeded} or newer, but scripts would run on ${version}.\n` +
      "The devDependency `node` brings one; its install script did not run.\n" +
      "Check that ignore-scripts is off (npm config get ignore-scripts), then try again.\n",
  );
  process.exit(1);
}

function atLeast(version, minimum) {
  const [a, b] = [version, minimum].map((v) => v.split(".").map(Number));
  for (let i = 0; i < 3; i++) if (a[i] !== b[i]) return a[i] > b[i];
  return true;
}
