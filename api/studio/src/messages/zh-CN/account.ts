import type en from "@/messages/en/account";

const messages: typeof en = {
  title: "账号",
  email: "邮箱",
  password: "密码",
  passwordHint: "至少 {limit} 个字符",
  since: "{email}，注册于 {at}",
  looks: "外观与语言",
  language: "语言",
  theme: { label: "主题", system: "跟随系统", light: "浅色", dark: "深色" },
  name: "名称",
  removeOf: "移除 {name}",
  keys: {
    title: "SSH 密钥",
    about: "用于在自己的电脑上克隆和推送代码。",
    text: "公钥",
    textHint: "~/.ssh/id_ed25519.pub 的内容",
    add: "添加密钥",
    removeTitle: "移除密钥 {name}？",
    removeAbout: "持有该密钥的人将无法再拉取或推送。",
  },
  tokens: {
    title: "API 令牌",
    about: "用于脚本和命令行，拥有与你相同的权限。",
    one: "API 令牌",
    made: "这是 {name}，仅显示这一次，请立即复制。",
    valid: "有效期",
    days: "{n} 天",
    never: "永不过期",
    until: "有效期至 {at}",
    add: "创建令牌",
    removeTitle: "移除令牌 {name}？",
    removeAbout: "使用它的程序将立即失效。",
  },
  show: "显示密码",
  signIn: {
    title: "登录",
    heading: "欢迎回来",
    about: "登录后继续你的工作。",
    action: "登录",
    other: "还没有账号？",
    otherAction: "创建账号",
  },
  signUp: {
    title: "创建账号",
    heading: "创建你的账号",
    about: "编写代码，实时预览，一键发布。",
    action: "创建账号",
    other: "已有账号？",
    otherAction: "登录",
  },
  again: {
    title: "请重新登录",
    why: "会话已过期。此页面上的内容不会丢失：输入 {email} 的密码即可继续。",
  },
  invalid: {
    email: "请输入有效的邮箱，例如 ada{'@'}example.org",
    password: "请输入密码",
    short: "至少 {limit} 个字符",
  },
};

export default messages;
