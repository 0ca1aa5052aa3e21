// Sends one mail by nodemailer: options as JSON on standard input, the server's reply on standard output.
const nodemailer = require("nodemailer");

let text = "";
process.stdin.on("data", (piece) => (text += piece));
process.stdin.on("end", async () => {
  const { transport, mail } = JSON.parse(text);
  for (const file of mail.attachments || []) file.content = Buffer.from(file.content, "base64");
  const told = await nodemailer.createTransport(transport).sendMail(mail);
  process.stdout.write(told.response);
});
