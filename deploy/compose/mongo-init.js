// mongo-init.js - makes the replica set rs0 and its two users, for `mongosh --nodb`. Run on mongo-1's own loopback:
// until there is a user, that is where mongod lets one be made. May be run again at any time: then it sets the
// passwords that the secrets have, and changes nothing else. A set that is there is never reconfigured.
const fs = require("fs");

const secrets = process.env.SECRETS_DIR || "/run/secrets";
const hosts = (process.env.MONGO_HOSTS || "mongo-1:27017,mongo-2:27017,mongo-3:27017").split(",");
const here = process.env.MONGO_HERE || "127.0.0.1:27017";
const waitSeconds = 120;

function fail(why) {
  print(`error: ${why}`);
  quit(1);
  throw new Error(why); // nothing after it may run
}

function secret(name) {
  let text = "";
  try {
    text = fs.readFileSync(`${secrets}/${name}`, "utf8").trim();
  } catch (error) {
    fail(`the secret ${secrets}/${name} can't be read: ${error.code}`);
  }
  if (!/^[A-Za-z0-9_-]{16,}$/.test(text)) {
    fail(`the secret ${secrets}/${name} must be one line of 16 or more of A-Z a-z 0-9 _ -`);
  }
  return text;
}

const admin = { user: "admin", pwd: secret("mongo-admin"), roles: [{ role: "root", db: "admin" }] };
const parley = { user: "parley", pwd: secret("mongo-parley"), roles: [{ role: "readWrite", db: "parley" }] };

function until(what, isDone) {
  for (let i = 0; i < waitSeconds * 2; i++) {
    if (isDone()) {
      return;
    }
    sleep(500);
  }
  fail(`${what}: not within ${waitSeconds} s`);
}

// The set. mongo-1 is preferred as primary, so that the first user can be made here.
const local = connect(`mongodb://${here}/admin?directConnection=true`);
if (!local.hello().setName) {
  const members = hosts.map((host, n) => ({ _id: n, host, priority: n === 0 ? 2 : 1 }));
  const made = local.adminCommand({ replSetInitiate: { _id: "rs0", members } });
  if (made.ok !== 1) {
    fail(`replSetInitiate: ${made.errmsg}`);
  }
  print("the replica set is made");
}
until("a primary", () => Boolean(local.hello().primary));

function login() {
  try {
    return connect(`mongodb://${admin.user}:${admin.pwd}@${hosts.join(",")}/admin?replicaSet=rs0`);
  } catch (error) {
    if (error.code !== 18 && error.codeName !== "AuthenticationFailed") {
      throw error;
    }
    return null;
  }
}

// The administrator, once; by the exception for loopback, which ends with the first user.
let db = login();
if (!db) {
  until("mongo-1 as primary", () => local.hello().isWritablePrimary);
  const made = local.adminCommand({ createUser: admin.user, pwd: admin.pwd, roles: admin.roles, writeConcern: { w: "majority" } });
  if (made.ok !== 1) {
    fail(`createUser: ${made.errmsg}. Is there an administrator with another password than secrets/mongo-admin?`);
  }
  print("the administrator is made");
  db = login();
  if (!db) {
    fail("the administrator that was just made can't log in");
  }
}

// Parley's login: reads and writes its own database, which covers indexes, and nothing else.
const target = db.getSiblingDB("parley");
if (target.getUser(parley.user)) {
  target.updateUser(parley.user, { pwd: parley.pwd, roles: parley.roles });
} else {
  target.createUser(parley);
  print("the user of Parley is made");
}
print("MongoDB is ready");
