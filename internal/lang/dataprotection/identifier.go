package dataprotection

import "strings"

// identifier is a managed data identifier: what its data looks like, and what has to stand near it.
type identifier struct {
	name     string
	pattern  string
	keywords string                                        // by commas; one of them within 30 characters, where there are any
	valid    func(data string) bool                        // beyond the pattern; may be nil
	each     func(text string, found func(start, end int)) // finds it, where there is no pattern
	hint     string                                        // what every text with such data has
	open     bool                                          // it may end with something else than a letter or a digit
	alone    bool                                          // it may stand without a keyword where
	strict   func(data string) bool                        // this holds for it
}

// unserved reports whether AWS has an identifier that is not found here.
func unserved(name string) bool { return name == "Name" || name == "Address" }

// find is the identifier of a name; nil where there is none.
func find(name string) *identifier {
	for i := range managed {
		if managed[i].name == name {
			return &managed[i]
		}
	}
	if country, ok := strings.CutPrefix(name, "DriversLicense-"); ok {
		for i := range licenses {
			if licenses[i].name == country {
				id := licenses[i]
				id.name, id.valid = name, hasDigits
				return &id
			}
		}
	}
	return nil
}

// Names are all managed identifiers that are found.
func Names() (all []string) {
	for i := range managed {
		all = append(all, managed[i].name)
	}
	for i := range licenses {
		all = append(all, "DriversLicense-"+licenses[i].name)
	}
	return all
}

const (
	iban     = `(?:[ -]?[A-Za-z0-9]{4}){3,7}(?:[ -]?[A-Za-z0-9]{1,3})?`
	accounts = "account code,account number,accountno#,accountnumber#,bban,customer account id,customer account number,customer bank account id,iban,"
	licence  = "dl#,dl:,dlno#,driver licence,driver licences,driver license,driver licenses,driver permit,drivers lic.,drivers licence,driver's licence,drivers licences,driver's licences,drivers license,driver's license,drivers licenses,driver's licenses,drivers permit,driver's permit,drivers permit number,driving licence,driving license,driving permit"
	german   = "fuehrerschein,fuehrerschein- nr,fuehrerscheinnummer,fuhrerschein,führerschein,fuhrerschein- nr,führerschein- nr,fuhrerscheinnummer,führerscheinnummer"
	phone    = "cell,contact,fax,fax number,mobile,phone,phone number,tel,telephone,telephone number"
	passport = "passport,passport#,passport #,passport no,passport number,passportno,passportno#,passportid,"
	pem      = `[\s\S]*?-----END `
	card     = "account number,american express,amex,bank card,card,card number,card num,cc #,ccn,check card,credit,credit card#,dankort,debit,debit card,diners club,discover,electron,japanese card bureau,jcb,mastercard,mc,pan,payment account number,payment card number,pcn,union pay,visa"
	sep      = `[ .-]?`
)

var managed = [...]identifier{
	// Credentials.
	{name: "AwsSecretKey", open: true, pattern: `[A-Za-z0-9/+]{40}`, keywords: "aws_secret_access_key,credentials,secret access key,secret key,set-awscredential", valid: isSecret},
	{name: "OpenSshPrivateKey", open: true, hint: "-----BEGIN OPENSSH PRIVATE KEY", pattern: `-----BEGIN OPENSSH PRIVATE KEY-----` + pem + `OPENSSH PRIVATE KEY-----`},
	{name: "PgpPrivateKey", open: true, hint: "-----BEGIN PGP PRIVATE KEY", pattern: `-----BEGIN PGP PRIVATE KEY BLOCK-----` + pem + `PGP PRIVATE KEY BLOCK-----`},
	{name: "PkcsPrivateKey", open: true, hint: "-----BEGIN", pattern: `-----BEGIN (?:RSA |DSA |EC |ENCRYPTED )?PRIVATE KEY-----` + pem + `(?:RSA |DSA |EC |ENCRYPTED )?PRIVATE KEY-----`},
	{name: "PuttyPrivateKey", open: true, hint: "PuTTY-User-Key-File", pattern: `PuTTY-User-Key-File-\d: [\s\S]*?Private-MAC: [0-9A-Fa-f]+`},

	// Devices.
	{name: "IpAddress", each: addresses},

	// Money.
	{name: "BankAccountNumber-DE", pattern: `DE\d\d` + iban + `|\d{8}[ -]?\d{7,10}|\d{10}`, keywords: accounts + "bankleitzahl,geheimzahl,kartennummer,kontonummer,kreditkartennummer,sepa", valid: isAccount},
	{name: "BankAccountNumber-ES", pattern: `ES\d\d` + iban + `|\d{4}[ -]?\d{4}[ -]?\d{2}[ -]?\d{10}`, keywords: accounts + "código cuenta,código cuenta bancaria,cuenta cliente id,número cuenta bancaria cliente,número cuenta cliente", valid: isAccount},
	{name: "BankAccountNumber-FR", pattern: `FR\d\d` + iban + `|\d{5}[ -]?\d{5}[ -]?[A-Z0-9]{11}[ -]?\d{2}`, keywords: accounts + "code bancaire,compte bancaire,numéro de compte", valid: isAccount},
	{name: "BankAccountNumber-GB", pattern: `GB\d\d` + iban + `|\d{2}-?\d{2}-?\d{2}[ -]?\d{8}|\d{8}`, keywords: accounts + "sepa", valid: isAccount},
	{name: "BankAccountNumber-IT", pattern: `IT\d\d` + iban + `|[A-Z][ -]?\d{5}[ -]?\d{5}[ -]?[A-Z0-9]{12}`, keywords: accounts + "codice bancario,conto bancario,numero di conto", valid: isAccount},
	{name: "BankAccountNumber-US", pattern: `\d{4,6}[ -]?\d{4,11}`, keywords: "bank account,bank acct,checking account,checking acct,deposit account,deposit acct,savings account,savings acct,chequing account,chequing acct"},
	{name: "CreditCardExpiration", pattern: `(?:0?[1-9]|1[0-2])[ ]?[/-][ ]?(?:20)?\d\d|(?:0[1-9]|1[0-2])\d\d`, keywords: "exp d,exp m,exp y,expiration,expiry"},
	{name: "CreditCardNumber", pattern: `\d(?:[ -]?\d){12,18}`, keywords: card, valid: isCard},
	{name: "CreditCardSecurityCode", pattern: `\d{3,4}`, keywords: "card id,card identification code,card identification number,card security code,card validation code,card validation number,card verification data,card verification value,cvc,cvc2,cvv,cvv2,elo verification code"},

	// Health.
	{name: "DrugEnforcementAgencyNumber-US", pattern: `[A-HJ-MP-UXa-hj-mp-ux][A-Za-z9]\d{7}`, keywords: "dea number,dea registration", valid: isDEA},
	{name: "HealthInsuranceCardNumber-EU", pattern: `80\d{3}(?:[ -]?\d{5}){3}|80\d{8}(?:[ -]?\d{10})`, keywords: "assicurazione sanitaria numero,carta assicurazione numero,carte d’assurance maladie,carte européenne d'assurance maladie,ceam,ehic,ehic#,finlandehicnumber#,gesundheitskarte,hälsokort,health card,health card number,health insurance card,health insurance number,insurance card number,krankenversicherungskarte,krankenversicherungsnummer,medical account number,numero conto medico,numéro d’assurance maladie,numéro de carte d’assurance,numéro de compte medical,número de cuenta médica,número de seguro de salud,número de tarjeta de seguro,sairaanhoitokortin,sairausvakuutuskortti,sairausvakuutusnumero,sjukförsäkring nummer,sjukförsäkringskort,suomi ehic-numero,tarjeta de salud,terveyskortti,tessera sanitaria assicurazione numero,versicherungsnummer"},
	{name: "HealthInsuranceClaimNumber-US", pattern: `\d{3}-?\d{2}-?\d{4}-?[A-Za-z]\d?|[A-Za-z]{1,3}-?\d{6,9}`, keywords: "health insurance claim number,hic no,hic no.,hic number,hic#,hicn,hicn#,hicno#"},
	{name: "HealthInsuranceNumber-FR", pattern: insee, keywords: "carte d'assuré social,carte vitale,insurance card", valid: isINSEE},
	{name: "HealthcareProcedureCode-US", pattern: `[A-Va-v]\d{4}|\d{4}[FTUft]|\d{5}`, keywords: "current procedural terminology,hcpcs,healthcare common procedure coding system"},
	{name: "MedicareBeneficiaryNumber-US", pattern: `[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}`, keywords: "mbi,medicare beneficiary"},
	{name: "NationalDrugCode-US", pattern: `\d{4}-\d{4}-\d{2}|\d{5}-\d{3}-\d{2}|\d{5}-\d{4}-\d{1,2}`, keywords: "national drug code,ndc"},
	{name: "NationalInsuranceNumber-GB", pattern: `[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]`, keywords: "insurance no.,insurance number,insurance#,national insurance number,nationalinsurance#,nationalinsurancenumber,nin,nino"},
	{name: "NationalProviderId-US", pattern: `[12]\d{9}`, keywords: "hipaa,n.p.i.,national provider,npi", valid: isNPI},
	{name: "NhsNumber-GB", pattern: `\d{3}[ -]?\d{3}[ -]?\d{4}`, keywords: "national health service,nhs", valid: isNHS},
	{name: "PersonalHealthNumber-CA", pattern: `9\d{3}[ -]?\d{3}[ -]?\d{3}|\d{4}[ -]?\d{3}[ -]?\d{3}|\d{5}[ -]?\d{4}`, keywords: "canada healthcare number,msp number,care number,phn,soins de santé"},

	// Persons.
	{name: "CepCode-BR", pattern: `\d{5}-?\d{3}`, keywords: "cep,código de endereçamento postal,codigo de endereçamento postal"},
	{name: "Cnpj-BR", pattern: `\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}`, keywords: "cadastro nacional da pessoa jurídica,cadastro nacional da pessoa juridica,cnpj", valid: isCNPJ},
	{name: "CpfCode-BR", pattern: `\d{3}\.?\d{3}\.?\d{3}-?\d{2}`, keywords: "cadastro de pessoas fisicas,cadastro de pessoas físicas,cadastro de pessoa física,cadastro de pessoa fisica,cpf", valid: isCPF},
	{name: "DateOfBirth", pattern: `\d{1,2}[ /.-]\d{1,2}[ /.-](?:\d{4}|\d{2})|\d{4}[ /.-]\d{1,2}[ /.-]\d{1,2}|(?i:\d{1,2}[ /-])?(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[A-Za-z]*[ ./-]+(?:\d{1,2}[ ,/-]+)?\d{4}`, keywords: "dob,date of birth,birthdate,birth date,birthday,b-day,bday"},
	{name: "ElectoralRollNumber-GB", pattern: `[A-Za-z]{2,3}[ -]?\d{1,4}`, keywords: "electoral #,electoral number,electoral roll #,electoral roll no.,electoral roll number,electoralrollno"},
	{name: "EmailAddress", hint: "@", each: mails},
	{name: "IndividualTaxIdentificationNumber-US", pattern: `9\d{2}[ -]?(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[ -]?\d{4}`, keywords: "individual taxpayer identification number,itin,i.t.i.n."},
	{name: "InseeCode-FR", pattern: insee, keywords: "assurance sociale,carte nationale d’identité,cni,code sécurité sociale,french social security number,fssn#,insee,insurance number,national id number,nationalid#,numéro d'assurance,sécurité sociale,sécurité sociale non.,sécurité sociale numéro,social,social security,social security number,socialsecuritynumber,ss#,ssn,ssn#", valid: isINSEE},
	{name: "LatLong", pattern: `[-+]?\d{1,2}\.\d{2,}\s*,\s*[-+]?\d{1,3}\.\d{2,}`, keywords: "coordinate,coordinates,lat long,latitude longitude,location,position", valid: isPlace},
	{name: "NationalIdentificationNumber-DE", pattern: `[CFGHJKLMNPRTVWXYZ0-9]{9,10}|T\d{8}`, keywords: "ausweisnummer,id number,identification number,identity number,insurance number,personal id,personalausweis", valid: hasDigits},
	{name: "NationalIdentificationNumber-ES", pattern: dni, keywords: "dni,dni#,dninúmero#,documento nacional de identidad,identidad único,identidadúnico#,insurance number,national identification number,national identity,nationalid#,nationalidno#,número nacional identidad,personal identification number,personal identity no,unique identity number,uniqueid#", valid: isDNI},
	{name: "NationalIdentificationNumber-IT", pattern: `(?i:[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z])`, keywords: "codice fiscal,codice fiscale,dati anagrafici,ehic,health card,health insurance card,p. iva,partita i.v.a.,personal data,tax code,tessera sanitaria"},
	{name: "NieNumber-ES", pattern: `[XYZxyz][ -]?\d{7}[ -]?[A-Za-z]`, keywords: taxES, valid: isDNI},
	{name: "NifNumber-ES", pattern: dni, keywords: taxES, valid: isDNI},
	{name: "PassportNumber-CA", pattern: `[A-Z]{2}\d{6}|[A-Z]\d{6}[A-Z]{2}`, keywords: passport + "passeport,passeport#"},
	{name: "PassportNumber-DE", pattern: `[CFGHJKLMNPRTVWXYZ0-9]{9,10}`, keywords: passport + "ausstellungsdatum,ausstellungsort,geburtsdatum,passports,reisepass,reisepass–nr,reisepassnummer", valid: hasDigits},
	{name: "PassportNumber-ES", pattern: `[A-Z]{2,3}\d{6}[A-Z]?`, keywords: passport + "españa pasaporte,libreta pasaporte,número pasaporte,pasaporte,passport book,spain passport"},
	{name: "PassportNumber-FR", pattern: `\d{2}[A-Z]{2}\d{5}`, keywords: passport + "numéro de passeport,passeport,passeport#,passeport #,passeportn °,passeport n °,passeportnon,passeport non"},
	{name: "PassportNumber-GB", pattern: `\d{9}`, keywords: passport + "passeport #,passeport n °,passeportnon,passeport non,passeportn °"},
	{name: "PassportNumber-IT", pattern: `[A-Z]{2}\d{7}`, keywords: passport + "italian passport number,numéro passeport,numéro passeport italien,passaporto,passaporto italiana,passaporto numero,repubblica italiana passaporto"},
	{name: "PassportNumber-US", pattern: `[A-Z]?\d{8}|\d{9}`, keywords: passport + "travel document"},
	{name: "PermanentResidenceNumber-CA", pattern: `(?:RA|PA)\d{7,10}|[A-Z]{2}\d{7,10}|\d{8,10}`, keywords: "carte résident permanent,numéro carte résident permanent,numéro résident permanent,permanent resident card,permanent resident card number,permanent resident no,permanent resident no.,permanent resident number,pr no,pr no.,pr non,pr number,résident permanent no.,résident permanent non"},
	{name: "PhoneNumber-BR", pattern: `(?:(?:\+|00)55` + sep + `)?\(?0?[1-9]\d\)?` + sep + `9?\d{4}` + sep + `\d{4}`, keywords: phone + ",cel,celular,fone,móvel,número residencial,numero residencial,telefone", alone: true, strict: isAbroad},
	{name: "PhoneNumber-DE", pattern: `(?:(?:\+|00)49[ ./-]?\(?0?\)?|0)[ ./-]?\(?[1-9]\d{1,4}\)?[ ./-]{0,3}\d{2,5}(?:[ -]?\d{2,5}){0,2}`, keywords: phone, alone: true, strict: isAbroad},
	{name: "PhoneNumber-ES", pattern: `(?:(?:\+|00)34` + sep + `)?[6-9]\d{2}(?:` + sep + `\d{3}){2}|(?:(?:\+|00)34` + sep + `)?[6-9]\d{2}(?:` + sep + `\d{2}){3}`, keywords: phone, alone: true, strict: isAbroad},
	{name: "PhoneNumber-FR", pattern: `(?:(?:\+|00)33` + sep + `(?:\(0\))?|0)` + sep + `[1-9](?:` + sep + `\d{2}){4}`, keywords: phone, alone: true, strict: isAbroad},
	{name: "PhoneNumber-GB", pattern: `(?:(?:\+|00)44` + sep + `(?:\(0\))?|\(?0)` + sep + `[1-9]\d{1,4}\)?` + sep + `\d{3,4}` + sep + `\d{3,4}`, keywords: phone, alone: true, strict: isAbroad},
	{name: "PhoneNumber-IT", pattern: `(?:(?:\+|00)39` + sep + `)?(?:3\d{2}|0\d{1,3})` + sep + `\d{3,4}` + sep + `\d{3,4}`, keywords: phone, alone: true, strict: isAbroad},
	{name: "PhoneNumber-US", pattern: `(?:\+?1` + sep + `)?\(?[2-9]\d{2}\)?[ .-]{0,2}[2-9]\d{2}` + sep + `\d{4}`, keywords: phone, alone: true, strict: isAbroad},
	{name: "PostalCode-CA", pattern: `[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d`},
	{name: "RgNumber-BR", pattern: `\d{1,2}\.?\d{3}\.?\d{3}-?[\dXx]`, keywords: "registro geral,rg"},
	{name: "SocialInsuranceNumber-CA", pattern: `\d{3}[ -]?\d{3}[ -]?\d{3}`, keywords: "canadian id,numéro d'assurance sociale,social insurance number,sin", valid: isSIN},
	{name: "Ssn-ES", pattern: `\d{2}[ /-]?\d{7,8}[ /-]?\d{2}`, keywords: "número de la seguridad social,social security no.,social security no,social security number,socialsecurityno#,ssn,ssn#"},
	{name: "Ssn-US", pattern: `\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{9}`, keywords: "social security,ss#,ssn", valid: isSSN},
	{name: "TaxId-DE", pattern: `\d{2} ?\d{3} ?\d{3} ?\d{3}|\d{2,3}/\d{3,4}/\d{4,5}`, keywords: "identifikationsnummer,steuer id,steueridentifikationsnummer,steuernummer,tax id,tax identification number,tax number"},
	{name: "TaxId-ES", pattern: `[A-HJNP-SUVWa-hjnp-suvw][ -]?\d{7}[ -]?[0-9A-Ja-j]|` + dni, keywords: taxES},
	{name: "TaxId-FR", pattern: `[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}`, keywords: "numéro d'identification fiscale,tax id,tax identification number,tax number,tin,tin#"},
	{name: "TaxId-GB", pattern: `\d{5} ?\d{5}`, keywords: "paye,tax id,tax id no.,tax id number,tax identification,tax identification#,tax no.,tax number,tax reference,tax#,taxid#,temporary reference number,tin,trn,unique tax reference,unique taxpayer reference,utr"},
	{name: "VehicleIdentificationNumber", pattern: `[A-HJ-NPR-Za-hj-npr-z0-9]{17}`, keywords: "fahrgestellnummer,niv,numarul de identificare,numarul seriei de sasiu,serie sasiu,numer vin,número de identificação do veículo,número de identificación de automóviles,numéro d'identification du véhicule,vehicle identification number,vin,vin numeris", valid: isVIN},
	{name: "ZipCode-US", pattern: `\d{5}(?:-\d{4})?`, keywords: "zip code,zip+4"},
}

const (
	insee = `[1-478]` + sep + `\d{2}` + sep + `\d{2}` + sep + `(?:\d{2}|2[ABab])` + sep + `\d{3}` + sep + `\d{3}` + sep + `\d{2}`
	dni   = `(?:\d{8}|\d{1,2}\.\d{3}\.\d{3}|[KLMXYZklmxyz]\d{7})[ -]?[A-Za-z]`
	taxES = "cif,cif número,cifnúmero#,nie,nif,número de contribuyente,número de identidad de extranjero,número de identificación fiscal,número de impuesto corporativo,personal tax number,tax id,tax identification number,tax number,tin,tin#"
)

// licenses are those to drive, by their countries.
var licenses = [...]identifier{
	{name: "AT", pattern: `\d{8}`, keywords: "führerschein,fuhrerschein,führerschein republik österreich,fuhrerschein republik osterreich"},
	{name: "AU", pattern: `[A-Za-z0-9]{2}\d{2}[A-Za-z0-9]{5}|\d{6,10}`, keywords: "dl :," + licence},
	{name: "BE", pattern: `\d{10}`, keywords: german + ",numéro permis conduire,permis de conduire,rijbewijs,rijbewijsnummer"},
	{name: "BG", pattern: `\d{9}`, keywords: "превозно средство,свидетелство за управление на моторно,свидетелство за управление на мпс,сумпс,шофьорска книжка"},
	{name: "CA", pattern: `[A-Za-z]\d{4}-?\d{5}-?\d{5}|[A-Za-z]\d{4}-?\d{6}-?\d{2}|[A-Za-z]{1,5}-?[A-Za-z0-9]{0,2}-?\d{6,10}|\d{5,9}(?:-\d{3})?`, keywords: licence + ",permis de conduire"},
	{name: "CY", pattern: `\d{12}`, keywords: "άδεια οδήγησης"},
	{name: "CZ", pattern: `[A-Za-z]{2} ?\d{6}`, keywords: "číslo licence,císlo licence řidiče,číslo řidičského průkazu,ovladače lic.,povolení k jízdě,povolení řidiče,řidiči povolení,řidičský prúkaz,řidičský průkaz"},
	{name: "DE", pattern: `[A-Za-z0-9]\d{2}[A-Za-z0-9]{6}\d[A-Za-z0-9]`, keywords: german},
	{name: "DK", pattern: `\d{8}`, keywords: "kørekort,kørekortnummer"},
	{name: "EE", pattern: `[A-Za-z]{2}\d{6}`, keywords: "juhi litsentsi number,juhiloa number,juhiluba,juhiluba number"},
	{name: "ES", pattern: `\d{8}-?[A-Za-z]`, keywords: "carnet conducer,el carnet de conducer,licencia conducer,licencia de manejo,número carnet conducer,número de carnet de conducer,número de permiso conducer,número de permiso de conducer,número licencia conducer,número permiso conducer,permiso conducción,permiso conducer,permiso de conducción"},
	{name: "FI", pattern: `\d{6}[-+A]\d{3}[0-9A-Za-z]`, keywords: "ajokortin numero,ajokortti,förare lic.,körkort,körkort nummer,kuljettaja lic.,permis de conduire"},
	{name: "FR", pattern: `\d{12}|\d{2}[A-Z]{2}\d{5}`, keywords: "permis de conduire"},
	{name: "GB", pattern: `[A-Za-z9]{5} ?\d{6} ?[A-Za-z9]{2}[A-Za-z0-9]{3}`, keywords: licence},
	{name: "GR", pattern: `\d{9}`, keywords: "δεια οδήγησης,adeia odigisis"},
	{name: "HR", pattern: `\d{8}`, keywords: "vozačka dozvola"},
	{name: "HU", pattern: `[A-Za-z]{2}\d{6}`, keywords: "illesztőprogramok lic,jogosítvány,jogsi,licencszám,vezető engedély,vezetői engedély"},
	{name: "IE", pattern: `\d{6}[A-Za-z]{2}\d{4}|\d{9}`, keywords: "ceadúnas tiomána"},
	{name: "IT", pattern: `[A-Za-z][AVav]\d{7}[A-Za-z]|[Uu]1[A-Za-z0-9]{7}[A-Za-z]`, keywords: "patente di guida,patente di guida numero,patente guida,patente guida numero"},
	{name: "LT", pattern: `\d{8}`, keywords: "vairuotojo pažymėjimas"},
	{name: "LU", pattern: `\d{6}`, keywords: "fahrerlaubnis,führerschäin"},
	{name: "LV", pattern: `[A-Za-z]{2}\d{6}`, keywords: "autovadītāja apliecība,licences numurs,vadītāja apliecība,vadītāja apliecības numurs,vadītāja atļauja,vadītāja licences numurs,vadītāji lic."},
	{name: "MT", pattern: `[A-Za-z0-9]{2} ?\d{3} ?\d{3}`, keywords: "liċenzja tas-sewqan"},
	{name: "NL", pattern: `\d{10}`, keywords: "permis de conduire,rijbewijs,rijbewijsnummer"},
	{name: "PL", pattern: `\d{5}/\d{2}/\d{4}`, keywords: "numer licencyjny,prawo jazdy,zezwolenie na prowadzenie"},
	{name: "PT", pattern: `[A-Za-z]{1,2}-?\d{5,6}(?: ?\d)?`, keywords: "carta de condução,carteira de habilitação,carteira de motorist,carteira habilitação,carteira motorist,licença condução,licença de condução,número de licença,número licença,permissão condução,permissão de condução"},
	{name: "RO", pattern: `[A-Za-z]\d{8}[A-Za-z]?|\d{9}`, keywords: "numărul permisului de conducere,permis de conducere"},
	{name: "SE", pattern: `\d{6}-?\d{4}`, keywords: "ajokortin numero,dlno# ajokortti,drivere lic.,förare lic.,körkort,körkort nummer,körkortsnummer,kuljettajat lic."},
	{name: "SI", pattern: `\d{9}`, keywords: "vozniško dovoljenje"},
	{name: "SK", pattern: `[A-Za-z]\d{7}`, keywords: "číslo licencie,číslo vodičského preukazu,ovládače lic.,povolenia vodičov,povolenie jazdu,povolenie na jazdu,povolenie vodiča,vodičský preukaz"},
	{name: "US", pattern: `[A-Za-z]{1,3}[ -]?\d{3,5}(?:[ -]?\d{2,5}){1,3}|\d{3,5}(?:[ -]?\d{2,5}){1,2}|[A-Za-z]\d{5,14}`, keywords: licence},
}
