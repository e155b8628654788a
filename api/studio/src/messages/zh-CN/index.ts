import account from "./account";
import admin from "./admin";
import app from "./app";
import apps from "./apps";
import common from "./common";
import deploy from "./deploy";
import doctor from "./doctor";
import errors from "./errors";
import studio from "./studio";
import type { Messages } from "@/i18n";

const messages: Messages = { account, admin, app, apps, common, deploy, doctor, errors, studio };

export default messages;
