package peer

// ReadAnswer is what reads what another node answers.
var ReadAnswer = readAnswer
