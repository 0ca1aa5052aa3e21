<?php
// Sends one mail by PHPMailer as WordPress does: options as JSON on standard input, the server's reply on standard output.
require '/usr/share/php/libphp-phpmailer/autoload.php';

$order = json_decode(stream_get_contents(STDIN), true);
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = $order['port'];
$mail->SMTPAuth = true;
$mail->Username = 'App';
$mail->Password = $order['password'];
$mail->SMTPSecure = $order['secure'];
$mail->SMTPOptions = ['ssl' => ['cafile' => $order['authority']]];
$mail->CharSet = 'UTF-8';
$mail->setFrom($order['from'], 'WordPress');
$mail->addAddress($order['to'], 'Ona Ąžuolė');
$mail->addReplyTo($order['reply_to']);
$mail->addCustomHeader('X-IB-message-id', 'php-' . $order['secure']);
$mail->Subject = $order['subject'];
$mail->isHTML(true);
$mail->Body = $order['html'];
$mail->AltBody = $order['text'];
$mail->addStringEmbeddedImage(base64_decode($order['picture']), 'logo@shop', 'logo.png', 'base64', 'image/png');
$mail->addStringAttachment(base64_decode($order['file']), 'sąskaita.pdf', 'base64', 'application/pdf');
try {
    $mail->send();
    echo $mail->getSMTPInstance()->getLastReply();
} catch (PHPMailer\PHPMailer\Exception $refused) {
    fwrite(STDERR, $mail->ErrorInfo . "\n" . $mail->getSMTPInstance()->getLastReply());
    exit(1);
}
